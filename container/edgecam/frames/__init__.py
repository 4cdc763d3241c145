"""The newest picture: decode gate, pace, decoder, writer, demand."""
