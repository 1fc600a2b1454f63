"""Partitioner: the partition of a key, as Java's clients choose it; pure.

It is what librdkafka does under the name PARTITIONER. Written out here, since clients before 2.13
do not lend out their own.
"""

from __future__ import annotations

SEED = 0x9747B28C
FACTOR = 0x5BD1E995
WORD = 4
BITS_32 = 0xFFFFFFFF
NOT_NEGATIVE = 0x7FFFFFFF


def home_partition(key: bytes, partitions: int) -> int:
    """The partition that the shared partitioner (murmur2, as Java's) gives the key."""
    return (murmur2(key) & NOT_NEGATIVE) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2 of 32 bits with the seed of Kafka's Java clients, as an unsigned number."""
    size = len(data)
    whole = size - size % WORD
    mixed = SEED ^ size
    for at in range(0, whole, WORD):
        word = int.from_bytes(data[at : at + WORD], "little") * FACTOR & BITS_32
        word = (word ^ word >> 24) * FACTOR & BITS_32
        mixed = mixed * FACTOR & BITS_32 ^ word
    if whole < size:
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * FACTOR & BITS_32
    mixed = (mixed ^ mixed >> 13) * FACTOR & BITS_32
    return mixed ^ mixed >> 15
