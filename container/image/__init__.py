"""How an image is made: inputs, build context, base, build, tarball, contents, bill of materials."""
