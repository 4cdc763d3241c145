"""RTP: a camera's packets become coded pictures and sound; its reports become times. No sockets, no clock."""
