"""The model that ships: the pictures it learns from, its training and its export."""
