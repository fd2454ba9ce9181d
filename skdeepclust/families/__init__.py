"""What several papers share. A paper of its own lives in `methods`."""
