"""MP4 and MPEG-TS as files: head, fragments, index, repair after a power cut."""
