def pytest_addoption(parser):
    parser.addoption(
        "--write-goldens",
        action="store_true",
        help="write tests/goldens/addons_image_ops.npz anew",
    )
