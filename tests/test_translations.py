"""The Chinese catalogue: complete, current, with the placeholders of its sources and the words of the product."""

import re
from functools import cache
from pathlib import Path

import django
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from django.db.models import TextChoices
from django.utils.translation import gettext, ngettext, override

from jobs import known_errors
from jobs.models import BatchItem
from jobs.states import Action, Outcome, RunEnd, Status, Step
from oceanus_console.messages import gather, read_catalogue, untranslated

# Python's, and those that the console's JavaScript fills in.
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")

# What the original product calls things (DESIGN.md sections 2, 4 and 6): users look for these very words.
WORDS = {
    "Save": "保存",
    "Check": "语法检查",
    "Version note": "版本说明",
    "Versions": "版本管理",
    "Online version": "线上版本",
    "Compare versions": "版本对比",
    "Job parameters": "作业参数",
    "Advanced properties": "高级参数",
    "Default parallelism": "默认并行度",
    "Develop": "开发调试",
    "Draft": "草稿",
    "Job name": "作业名称",
    "New job": "新建作业",
    "Create a snapshot when stopping": "停止时创建快照",
    "Created during running": "运行时触发",
    "Created when stopping": "停止时触发",
    "Snapshots": "快照",
    "Running instance": "运行实例",
    "Operation records": "操作记录",
    "Operations": "操作",
    "More": "更多",
    "Run time": "运行时长",
    "What to do": "操作建议",
    "Clusters": "计算资源",
    "Workspace": "工作空间",
    "Workspace admin": "空间管理员",
    "Developer": "开发者",
    "Viewer": "预览者",
    "fine-grained resources": "细粒度资源",
    "batch": "批量操作",
    "Batch operations": "批量操作",
    "Batch copy": "批量创建副本",
    "Job list": "作业列表",
    "Target folder": "目标目录",
    "Target cluster": "目标集群",
    "Name of the copy": "副本名称",
}
WORDS_IN_CONTEXT = {
    ("menu", "Jobs"): "作业管理",
    ("menu", "Members"): "成员管理",
    ("act", "Save draft"): "保存草稿",
    ("act", "Publish draft"): "发布草稿",
    ("act", "Run"): "运行",
    ("act", "Stop"): "停止",
    ("act", "Create copy"): "创建副本",
    ("act", "Create snapshot"): "创建快照",
    ("act", "Delete"): "删除",
    ("act", "Move"): "移动",
    ("act", "Rename"): "重命名",
    ("status", "Uninitialized"): "未初始化",
    ("status", "Unpublished"): "未发布",
    ("status", "Operating"): "操作中",
    ("status", "Running"): "运行中",
    ("status", "Stopped"): "停止",
    ("status", "Paused"): "暂停",
    ("status", "Failed"): "故障",
}


@cache
def sources() -> Catalog:
    return gather()


@cache
def chinese() -> Catalog:
    return read_catalogue()


def texts(catalogue: Catalog) -> set[tuple[str | None, object]]:
    return {(message.context, message.id) for message in catalogue if message.id}


def forms(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or [])


def found(text: str, context: str | None = None) -> str:
    """Return the Chinese of a text; "" when there is none."""
    message = chinese().get(text, context)
    return forms(message)[0] if message else ""


def test_every_text_of_the_sources_has_an_entry() -> None:
    assert texts(sources()) - texts(chinese()) == set(), "run: manage.py update_messages"


def test_no_entry_is_older_than_the_sources() -> None:
    assert texts(chinese()) - texts(sources()) == set(), "run: manage.py update_messages"
    assert not chinese().obsolete


def test_every_entry_is_translated_without_a_doubt() -> None:
    assert untranslated(chinese()) == []


def test_the_catalogue_is_for_simplified_chinese() -> None:
    headers = dict(chinese().mime_headers)
    assert (headers["Language"], headers["Plural-Forms"]) == ("zh_Hans", "nplurals=1; plural=0;")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


def test_translations_have_the_placeholders_of_their_sources() -> None:
    for message in chinese():
        ours = message.id if isinstance(message.id, str) else message.id[-1]
        for form in forms(message) if message.id else []:
            assert set(PLACEHOLDER.findall(form)) == set(PLACEHOLDER.findall(ours)), ours


def test_chinese_sentences_have_chinese_punctuation() -> None:
    mixed = re.compile(r"[\u4e00-\u9fff][,;?!]|[\u4e00-\u9fff][.:](\s|$)")
    wrong = [form for message in chinese() if message.id for form in forms(message) if mixed.search(form)]
    assert wrong == []


def test_nothing_stays_english_but_names() -> None:
    is_chinese, is_latin = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[A-Za-z]")
    words = {message.id: PLACEHOLDER.sub("", forms(message)[0]) for message in chinese() if message.id}
    english = {text for text, word in words.items() if is_latin.search(word) and not is_chinese.search(word)}
    # What a language is called in itself.
    assert english <= {"ID", "English"}


@pytest.mark.parametrize(("text", "word"), WORDS.items())
def test_the_words_of_the_product_are_used(text: str, word: str) -> None:
    assert found(text) == word


@pytest.mark.parametrize(("source", "word"), WORDS_IN_CONTEXT.items())
def test_the_words_of_the_product_are_used_in_context(source: tuple[str, str], word: str) -> None:
    context, text = source
    assert found(text, context) == word


@pytest.mark.parametrize("kind", [Status, Action, Step, Outcome, RunEnd, BatchItem.State])
def test_every_state_has_a_chinese_name(kind: type[TextChoices]) -> None:
    with override(None):
        labels = [str(member.label) for member in kind]
    contexts = [None, "status", "act", "outcome", "run", "batch item"]
    for label in labels:
        assert any(found(label, context) not in ("", label) for context in contexts), label


@pytest.mark.parametrize(
    "entry", [*known_errors.OWN.values(), *known_errors.FLINK, known_errors.FALLBACK], ids=lambda entry: entry.title
)
def test_every_advice_is_given_in_chinese(entry: known_errors.Advice) -> None:
    for text in filter(None, (entry.title, entry.cause, entry.advice)):
        assert found(text) not in ("", text)


# Of pages that are not there: our console sends no mail.
SENT_BY_MAIL = re.compile("email|forgotten|has been set|^Please enter your new password")


def test_one_is_called_by_the_polite_word_everywhere() -> None:
    catalogues = [read_catalogue()]
    for app in ("auth", "admin"):
        place = Path(django.__file__).parent / "contrib" / app / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
        with place.open("rb") as file:
            catalogues.append(read_po(file, locale="zh_Hans"))
    texts = [one.id if isinstance(one.id, str) else one.id[0] for each in catalogues for one in each if one.id]
    shown = [text for text in texts if not SENT_BY_MAIL.search(text)]
    assert len(shown) > 1500
    with override("zh-hans"):
        assert [text for text in shown if "你" in gettext(text) or "你" in ngettext(text, text, 2)] == []
