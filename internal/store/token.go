package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
)

// secretPattern is what NewSecret makes: 32 random bytes.
var secretPattern = regexp.MustCompile(`^tine_v1_[A-Za-z0-9_-]{43}$`)

// Token is the right to use the API. Its secret is known to its holder only.
type Token struct {
	ID        string // UUID
	Name      string
	Scopes    []string // sorted
	CreatedAt time.Time
	// ExpiresAt is when the token ends by itself; nil: never. LastUsedAt is exact to lastUsePrecision; nil: never used.
	ExpiresAt, LastUsedAt *time.Time
}

// lastUsePrecision is how often at most the use of a token is written down.
const lastUsePrecision = time.Minute

const scannedColumns = "id, name, scopes, created_at, expires_at, last_used_at"

// NewSecret makes a token's secret from the system's randomness.
func NewSecret() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process instead
	return "tine_v1_" + base64.RawURLEncoding.EncodeToString(random[:])
}

// CreateToken makes a token with what the scopes stand for, until it expires (nil: never), and returns its secret, which cannot
// be had again. ErrNameTaken if there is one of that name.
func (s *Store) CreateToken(ctx context.Context, name string, expires *time.Time, scopes ...string) (secret string, t Token, err error) {
	secret = NewSecret()
	t, err = s.insertToken(ctx, Token{Name: name, Scopes: Expand(scopes...), ExpiresAt: expires}, secret, "")
	if err != nil {
		return "", Token{}, err
	}
	return secret, t, nil
}

// EnsureToken makes the token of that name have that scope and that secret, which NewSecret made, whether it existed or not. An older
// secret of that name stops working.
func (s *Store) EnsureToken(ctx context.Context, name, scope, secret string) (Token, error) {
	if !secretPattern.MatchString(secret) {
		return Token{}, fmt.Errorf("ensure token %s: the secret must be tine_v1_ and 43 letters, digits, hyphens and underscores", name)
	}
	return s.insertToken(ctx, Token{Name: name, Scopes: Expand(scope)}, secret,
		"ON CONFLICT (name) DO UPDATE SET scopes = excluded.scopes, hash = excluded.hash, expires_at = NULL")
}

// Tokens returns all tokens by name.
func (s *Store) Tokens(ctx context.Context) ([]Token, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+scannedColumns+" FROM tine.tokens ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanToken)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return list, nil
}

// RevokeToken ends a token at once; ErrNotFound if there is no such token.
func (s *Store) RevokeToken(ctx context.Context, id string) error {
	if !isUUID(id) {
		return fmt.Errorf("revoke token %q: %w", id, ErrNotFound)
	}
	tag, err := s.pool.Exec(ctx, "DELETE FROM tine.tokens WHERE id = $1", id)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("revoke token %s: %w", id, err)
	}
	return nil
}

// authenticate finds the token and notes its use now and then, in one round trip.
const authenticate = `WITH noted AS (
		UPDATE tine.tokens SET last_used_at = now()
		WHERE hash = $1 AND (expires_at > now()) IS NOT FALSE AND (last_used_at < now() - $2::interval) IS NOT FALSE
	) SELECT ` + scannedColumns + ` FROM tine.tokens WHERE hash = $1 AND (expires_at > now()) IS NOT FALSE`

// Authenticate returns the token that has that secret; ErrUnauthorized if none has, or if it has expired. The secret is
// looked up by its hash, so that the time it takes tells nothing about secrets that are close.
func (s *Store) Authenticate(ctx context.Context, secret string) (Token, error) {
	if !secretPattern.MatchString(secret) {
		return Token{}, ErrUnauthorized
	}
	hash := sha256.Sum256([]byte(secret))
	rows, err := s.pool.Query(ctx, authenticate, hash[:], lastUsePrecision)
	if err != nil {
		return Token{}, fmt.Errorf("authenticate: %w", err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, scanToken)
	if isNoRows(err) {
		return Token{}, ErrUnauthorized
	}
	if err != nil {
		return Token{}, fmt.Errorf("authenticate: %w", err)
	}
	return t, nil
}

func (s *Store) insertToken(ctx context.Context, t Token, secret, onConflict string) (Token, error) {
	hash := sha256.Sum256([]byte(secret))
	rows, err := s.pool.Query(ctx, "INSERT INTO tine.tokens (name, scopes, hash, expires_at) VALUES ($1, $2, $3, $4) "+onConflict+
		" RETURNING "+scannedColumns, t.Name, t.Scopes, hash[:], t.ExpiresAt)
	if err != nil {
		return Token{}, fmt.Errorf("create token %s: %w", t.Name, err)
	}
	made, err := pgx.CollectExactlyOneRow(rows, scanToken)
	if violated(err, "tokens_name_key") {
		err = ErrNameTaken
	}
	if err != nil {
		return Token{}, fmt.Errorf("create token %s: %w", t.Name, err)
	}
	return made, nil
}

func scanToken(row pgx.CollectableRow) (Token, error) {
	var t Token
	err := row.Scan(&t.ID, &t.Name, &t.Scopes, &t.CreatedAt, &t.ExpiresAt, &t.LastUsedAt)
	t.CreatedAt = t.CreatedAt.UTC()
	for _, at := range []*time.Time{t.ExpiresAt, t.LastUsedAt} {
		if at != nil {
			*at = at.UTC()
		}
	}
	return t, err
}
