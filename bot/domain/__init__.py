"""What Matinee is about, free of Discord, providers and storage."""
