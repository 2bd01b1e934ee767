from domain.errors import BadSourceError, UnreadableVideoError, public_errors


def test_the_code_is_the_class_name_without_error():
    assert UnreadableVideoError("x").code == "UnreadableVideo"


def test_every_public_error_is_found_by_its_class_name_and_says_when_it_is_raised():
    errors = public_errors()
    assert errors["UnreadableVideoError"] is UnreadableVideoError
    assert issubclass(UnreadableVideoError, BadSourceError)
    for name, cls in errors.items():
        assert name.endswith("Error")
        assert (cls.__doc__ or "").startswith("Raised when"), name


def test_no_two_errors_share_a_code():
    codes = [cls.code for cls in public_errors().values()]
    assert len(codes) == len(set(codes))
