"""What services of AWS call: AWS IoT before it registers a core, a schedule that watches the cameras."""
