from hypothesis import settings

# The machine that runs this may be busy; what an example finds does not depend on how long it takes.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
