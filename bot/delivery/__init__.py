"""Results, endings and progress, brought to Discord; members' pictures, fetched from it."""
