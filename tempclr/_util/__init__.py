"""Optional packages, files, precision and settings; nothing else belongs here."""
