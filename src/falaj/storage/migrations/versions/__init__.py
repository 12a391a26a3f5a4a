"""Generated and then read; newest last."""
