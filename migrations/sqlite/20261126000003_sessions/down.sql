DROP TABLE login_codes;
DROP TABLE sessions;
