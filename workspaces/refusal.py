"""How an act says no."""

from django.conf import settings
from django.utils import translation


class Refusal(Exception):
    """Say why an act can't be done, as a sentence for the user: in the language of whoever reads it, when he reads it."""

    def __init__(self, sentence: object, **values: object) -> None:
        super().__init__(sentence)
        self._sentence, self._values = sentence, values

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        return str(self._sentence) % self._values if self._values else str(self._sentence)

    def in_all_languages(self) -> dict[str, str]:
        """Return language -> message, to be stored where people of any language will read it."""
        messages = {}
        for language, _name in settings.LANGUAGES:
            with translation.override(language):
                messages[language] = self.message
        return messages


class NameTaken(Refusal):
    """Say that something else has this name, maybe since a moment ago."""
