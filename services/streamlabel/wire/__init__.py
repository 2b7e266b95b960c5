"""How nouns look in bytes: one codec a noun, and FLOW, the one table of who reads and writes which topic.

A codec's `encode` takes a noun and gives bytes; its `decode` takes bytes from anywhere and gives a noun, or raises
InvalidMessageError with reason MALFORMED: foreign bytes on a topic end in a dead letter, never in a crash.
"""
