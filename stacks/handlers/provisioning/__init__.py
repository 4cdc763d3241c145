"""The pre-provisioning hook of AWS IoT fleet provisioning."""
