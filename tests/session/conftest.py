"""A folder of photographs, and small networks by name."""

from support.by_name import held_up, named, photos  # noqa: F401 - fixtures
