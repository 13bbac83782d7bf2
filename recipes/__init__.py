"""How the bundled networks were trained, as code that trains them again.

For a clone of carviz, not for its wheel: who uses a network needs its weights and its card.
"""
