package statuslist

// For the tests of the encoding.
var (
	Encode = encode
	Bitmap = bitmap
)
