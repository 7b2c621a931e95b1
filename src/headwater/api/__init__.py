"""The HTTP face: reads requests, asks the rooms below, writes answers. One file a resource."""
