package mongoerr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"tine/internal/gateway/mongoerr"
)

func TestUnpackReversesThePackingOfTheEngine(t *testing.T) {
	t.Parallel()
	for code, want := range map[int32]string{
		319029277: "M001C", 16777245: "M0001", 67108893: "M0004", 525074461: "M00CO", 570425373: "M000R", 587202589: "M000S",
		16797828: "42501", 50463045: "55P03", 16908292: "40P01", 100663618: "25006",
	} {
		if got := mongoerr.Unpack(code); got != want {
			t.Errorf("Unpack(%d) = %s, want %s", code, got, want)
		}
	}
}

func TestFromStateKnowsTheStatesSeenOnTheEngine(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]mongoerr.Code{
		"M0000": 1, "M0008": 26, "M0009": 27, "M000B": 31, "M000E": 43, "M000F": 48, "M000N": 67, "M000Q": 73, "M000U": 115,
		"M000Z": 166, "M007U": 40324, "M0087": 40414, "M0088": 40415, "M005E": 31325, "M001L": 15952, "M001I": 13297, "M0016": 263,
		"M00ER": 13, "M001C": 11000, "M00CO": 121, "M00F1": 112, "M000R": 85, "M000S": 86, "M0007": 23, "M00D8": 6007200,
		"M00FC": 51071, "MZZZZ": 1,
		"42501": 13, "40001": 112, "40P01": 112, "55P03": 24, "23505": 11000, "23P01": 11000, "57014": 50, "25006": 10107,
		"25P02": 251, "0A000": 115, "42710": 51003, "42704": 11, "53300": 261, "54000": 201, "53100": 14031, "22P02": 9,
		"22023": 2, "42P01": 26, "XX000": 1, "12345": 1, "": 1,
	} {
		if got := mongoerr.FromState(state, "text", nil).Code; got != want {
			t.Errorf("FromState(%s) = %d, want %d", state, got, want)
		}
	}
}

func TestDamageOfTheDiskIsToldApart(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]bool{"58030": true, "XX001": true, "XX002": true, "XX000": false, "53100": false, "23505": false} {
		e := mongoerr.From(&pgconn.PgError{Code: state, Message: "secret"})
		if mongoerr.IsDamage(e) != want || strings.Contains(e.Message, "disk does not return") != want || strings.Contains(e.Message, "secret") {
			t.Errorf("%s: %q", state, e.Message)
		}
	}
}

func TestFromHidesWhatIsNotMeantForClients(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"internal state":  &pgconn.PgError{Code: "XX000", Message: "secret"},
		"index conflict":  &pgconn.PgError{Code: "23P01", Message: "secret", Detail: "secret"},
		"relation":        &pgconn.PgError{Code: "42P01", Message: `relation "secret" does not exist`},
		"permission":      &pgconn.PgError{Code: "42501", Message: "permission denied for table secret"},
		"any other error": fmt.Errorf("dial: %w", errors.New("secret")),
	} {
		e := mongoerr.From(err)
		if got := e.Error(); got == "" || strings.Contains(got, "secret") {
			t.Errorf("%s: client sees %q", name, got)
		}
		if !errors.Is(e, err) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}

func TestFromTellsTimeLimitFromInterruption(t *testing.T) {
	t.Parallel()
	for want, err := range map[mongoerr.Code]error{
		mongoerr.ExceededTimeLimit:         &pgconn.PgError{Code: "57014", Message: "canceling statement due to statement timeout"},
		mongoerr.Interrupted:               &pgconn.PgError{Code: "57014", Message: "canceling statement due to user request"},
		mongoerr.InterruptedDueToReplState: context.Canceled,
	} {
		if got := mongoerr.From(err).Code; got != want {
			t.Errorf("From(%v) = %d, want %d", err, got, want)
		}
	}
}

func TestCodesHaveNames(t *testing.T) {
	t.Parallel()
	for code, want := range map[mongoerr.Code]string{18: "AuthenticationFailed", 59: "CommandNotFound", 11000: "DuplicateKey", 51024: "Location51024"} {
		if got := code.String(); got != want {
			t.Errorf("Code(%d) = %s, want %s", code, got, want)
		}
	}
}
