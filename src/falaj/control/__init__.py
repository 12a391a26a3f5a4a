"""The control plane: what runs, is released, changes, is watched and is trained again."""
