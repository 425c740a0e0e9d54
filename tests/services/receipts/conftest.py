"""Stories in which an import has run already."""

from __future__ import annotations

import pytest

from tests.story import Story


@pytest.fixture
def whole(story: Story) -> Story:
    """Connected, and the first import of everything has run."""
    story.bank.tell_all()
    story.connect("documents")
    assert story.work("documents") == {"documents": "done"}
    return story


@pytest.fixture
def imported(story: Story) -> Story:
    """The same of the story's last part."""
    story.connect("documents")
    assert story.work("documents") == {"documents": "done"}
    return story
