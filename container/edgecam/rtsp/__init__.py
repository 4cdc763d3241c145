"""RTSP as a client speaks it, bytes in and bytes out, and the one thread that receives all cameras."""
