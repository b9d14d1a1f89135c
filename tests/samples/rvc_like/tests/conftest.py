"""Makes the checkpoints at the first start."""

from make_checkpoints import ASSETS, main

if not ASSETS.exists():
    main()
