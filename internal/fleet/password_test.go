package fleet

import (
	"crypto/rand"
	"testing"
)

func TestPasswordsUseAllLettersFairly(t *testing.T) {
	t.Parallel()
	const passwords = 4000
	counts := map[rune]int{}
	for range passwords {
		password, err := newPassword(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, letter := range password {
			counts[letter]++
		}
	}
	mean := passwords * passwordLength / len(passwordLetters)
	for _, letter := range passwordLetters {
		if n := counts[letter]; n < mean*3/4 || n > mean*5/4 {
			t.Errorf("letter %c came %d times, want about %d", letter, n, mean)
		}
	}
	if len(counts) != len(passwordLetters) {
		t.Errorf("%d different letters, want %d", len(counts), len(passwordLetters))
	}
}
