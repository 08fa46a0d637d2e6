"""What conditions may ask of the audience, and the field in which people build them."""
