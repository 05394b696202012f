package view

// LanguageOf is for tests in package view_test.
var LanguageOf = language
