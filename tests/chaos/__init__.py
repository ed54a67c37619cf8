"""The whole pipeline under faults: `./ava chaos`."""
