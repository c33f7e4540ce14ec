"""The icons of the package lucide, drawn once, when a template is loaded: its own template tag draws them with every page."""

from __future__ import annotations

from typing import Any

import lucide as icons
from django import template
from django.template.base import FilterExpression, Parser, TextNode, Token, Variable, token_kwargs

register = template.Library()


@register.tag
def lucide(parser: Parser, token: Token) -> TextNode:
    """Draw an icon: {% lucide "play" size=16 aria_hidden="true" %}. All that is said must be written there."""
    _tag, name, *rest = token.split_contents()
    attributes = {key: _said(value) for key, value in token_kwargs(rest, parser).items()}
    if rest:
        raise template.TemplateSyntaxError(f"An icon can't have {' '.join(rest)}.")
    size = attributes.pop("size", 24)
    return TextNode(icons._render_icon(_said(parser.compile_filter(name)), size, **attributes))


def _said(value: FilterExpression) -> Any:
    if value.filters or (isinstance(value.var, Variable) and value.var.lookups):
        raise template.TemplateSyntaxError(f"An icon is drawn before {value.token} is known.")
    said = value.resolve(template.Context())
    return said + "" if isinstance(said, str) else said  # no SafeString, which the XML writer doesn't take
