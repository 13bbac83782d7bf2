"""What a saved page holds: its content, its pictures, and the document around them."""
