"""From what users have to batches on the device. No network, no loss."""
