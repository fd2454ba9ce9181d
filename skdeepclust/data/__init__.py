"""From what users have to batches on the device."""
