"""Worker processes: started, asked, listened to, and ended."""
