"""What connects Falaj to other systems; one package a kind, each behind a small seam."""
