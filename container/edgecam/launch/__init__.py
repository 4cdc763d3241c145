"""What a container of the node needs: folders, files, docker arguments, memory."""
