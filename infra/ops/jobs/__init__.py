"""`./ops jobs`: finds jobs, shows what happened to them, and requests what apps and the tick may request."""
