package statuslist

// For the tests of the encoding.
var (
	Encode = encode
	Bitmap = bitmap
)

// Hold makes a list that exists look as if somebody were making it.
func (s *Service) Hold(number int64) (release func()) {
	l := s.lists[number]
	l.building <- struct{}{}
	return func() { <-l.building }
}
