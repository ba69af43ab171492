"""Test collections of any size: judged questions, and passages that are read as a stream and never all held."""
