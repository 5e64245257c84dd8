"""Letters, feeds and webhooks as people have to do with them: who reads, who chooses, who may look and who may send.

`fablab.notices` keeps the rows and knows nobody; here stands who may do what with them.
"""

from fablab.people.post.choices import Choices, choices, choose, letter_behind, switch_off
from fablab.people.post.letters import Envelope, Reader, reader_of, take

__all__ = [
    "Choices",
    "Envelope",
    "Reader",
    "choices",
    "choose",
    "letter_behind",
    "reader_of",
    "switch_off",
    "take",
]
