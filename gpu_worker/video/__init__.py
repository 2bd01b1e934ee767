"""Reading and writing video: the only room that imports PyAV."""
