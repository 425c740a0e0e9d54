"""The bytes of receipts: reaching them, their pictures, and what they say."""
