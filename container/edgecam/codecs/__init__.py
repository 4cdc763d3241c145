"""What a codec is: video codecs, NAL units, sizes of pictures, JPEG headers."""
