"""What happens around training: progress, reference figures, saved predictions."""
