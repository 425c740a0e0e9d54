"""The story: three companies over the fourteen months that end yesterday. The same for a seed and a day, to the byte."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from portal.simulator import brandt
from portal.simulator.files import Attachment
from portal.simulator.northlight import tell_photographer, tell_studio


@dataclass(frozen=True, slots=True)
class Story:
    """What a reset copies. `contents` fills while files are looked at; they do not change."""

    frozen: bytes
    attachments: dict[str, Attachment]
    contents: dict[str, bytes]


@lru_cache(maxsize=8)
def story_of(seed: int, today: date) -> Story:
    """Tell the story of this seed on this day."""
    carpentry, studio, photographer = brandt.tell(seed, today), tell_studio(seed, today), tell_photographer(seed, today)
    organizations = [
        brandt.organization(carpentry),
        studio.organization(register="HRB 000215", capital=25000),
        photographer.organization(register="HRA 000323", capital=0),
    ]
    attachments = {**carpentry.attachments, **studio.attachments, **photographer.attachments}
    return Story(pickle.dumps(organizations), attachments, {})
