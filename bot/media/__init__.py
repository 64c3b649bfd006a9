"""Pictures that come in and films that go out: every byte is decoded in a child process, never in the bot's own."""
