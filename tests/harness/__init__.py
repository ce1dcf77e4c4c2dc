"""Private real servers, the engine under test, and an oracle that knows what must arrive."""
