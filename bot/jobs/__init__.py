"""Who may ask, what becomes a job, when it starts and how it ends."""
