"""The integer program that gives every layer of a convolutional network its split."""
