package fleet

import "errors"

var errNoSecrets = errors.New("this fleet was made without a key for secrets")

func (f *Fleet) sealSecret(secret, purpose string) ([]byte, error) {
	if f.cfg.Secrets == nil {
		return nil, errNoSecrets
	}
	return f.cfg.Secrets.Seal(secret, purpose), nil
}

func (f *Fleet) openSecret(sealed []byte, purpose string) (string, error) {
	if f.cfg.Secrets == nil {
		return "", errNoSecrets
	}
	return f.cfg.Secrets.Open(sealed, purpose)
}
