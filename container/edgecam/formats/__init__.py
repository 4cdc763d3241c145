"""MP4 and MPEG-TS as files: index, boxes, repair after a power cut."""
