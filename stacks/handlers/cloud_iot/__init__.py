"""Custom resources: a Cloud IoT registry, its devices and their keys, at Google or ClearBlade."""
